// A Vitest reporter that ends the run with the table of adapters: for each rule of the contract, how many cases passed.
// The tests tell in their meta which adapter and which rule they are about; see packages/conformance.
export default class AdapterTable {
  onTestRunEnd(modules) {
    const rules = new Set();
    const adapters = new Map();
    const limits = [];
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { adapter, rule, cannot } = test.meta().adapterContract ?? {};
        if (adapter === undefined) continue;
        const of = adapters.get(adapter) ?? new Map();
        adapters.set(adapter, of);
        for (const [capability, reason] of Object.entries(cannot ?? {}))
          limits.push(`${adapter} cannot ${capability}: ${reason}`);
        if (rule === "limits") continue;
        rules.add(rule);
        const count = of.get(rule) ?? { passed: 0, all: 0 };
        of.set(rule, count);
        count.all++;
        if (test.result().state === "passed") count.passed++;
      }
    }
    if (rules.size === 0) return;
    const cell = (count) =>
      count === undefined ? "-" : `${count.passed}/${count.all}${count.passed < count.all ? " !" : ""}`;
    const rows = [["contract", ...adapters.keys()]];
    for (const rule of rules) rows.push([rule, ...Array.from(adapters.values(), (of) => cell(of.get(rule)))]);
    const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
    const lines = rows.map((row) =>
      row
        .map((text, at) => text.padEnd(widths[at]))
        .join("  ")
        .trimEnd(),
    );
    console.log(`\n${lines.join("\n")}\n${limits.map((line) => `${line}\n`).join("")}`);
  }
}
