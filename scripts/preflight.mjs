// The install brings its own Node; this says so plainly when it could not and the machine's is too old.
const [major, minor] = process.versions.node.split(".").map(Number);
const ok = (major === 22 && minor >= 18) || (major === 24 && minor >= 11) || major >= 26;
if (!ok) {
  console.error(
    `Node ^22.18, ^24.11 or >=26 is needed and this is ${process.version}. On Linux the install brings Node 24 by itself: ` +
      "look above for why it failed (usually no network), or install a newer Node.",
  );
  process.exit(1);
}
