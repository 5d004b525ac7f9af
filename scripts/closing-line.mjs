// A Vitest reporter that ends the run with one plain line: "tests: N passed, N failed, N skipped".
// In CI a skipped test is a failure: a suite that quietly does not run proves nothing.
export default class ClosingLine {
  onTestRunEnd(modules, unhandledErrors) {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      let failed = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "failed") failed++;
        count[state === "passed" || state === "failed" ? state : "skipped"]++;
      }
      if (module.state() === "failed" && failed === 0) count.failed++;
    }
    if (process.env.CI && (count.skipped > 0 || count.passed === 0)) {
      console.error(`In CI a skipped test is a failure, and so is a run of none: ${count.skipped} skipped.`);
      process.exitCode = 1;
    }
    console.log(`tests: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  }
}
