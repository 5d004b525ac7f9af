// What `require` of each package gives in CommonJS. Usage: require-main.cjs NAME...
const found = {};
for (const name of process.argv.slice(2)) found[name] = Object.keys(require(name)).sort();
console.log(JSON.stringify(found));
