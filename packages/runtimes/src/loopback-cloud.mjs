// Preloaded into a program that is written for IBM Cloud, so that it runs as it stands: whatever connects to cloud.ibm.com
// or example.com by TLS is connected to a server on loopback instead, whose certificate NODE_EXTRA_CA_CERTS vouches for.
// Everything else goes nowhere.
import net from "node:net";
import tls from "node:tls";

const port = Number(process.env.LOOPBACK_CLOUD_PORT);
const connect = tls.connect;

tls.connect = (...args) => {
  const options = typeof args[0] === "object" ? args[0] : { port: args[0], host: args[1] };
  const host = options.servername || options.host;
  if (!/(^|\.)(cloud\.ibm|example)\.com$/.test(host)) throw new Error(`connected to ${host}`);
  const { socket: _, path: __, ...rest } = options;
  const listener = args.find((each) => typeof each === "function");
  return connect({ ...rest, host: "127.0.0.1", port, servername: host, lookup: undefined }, listener);
};
const plain = net.connect;
net.connect = (...args) => {
  const { host = "127.0.0.1" } = typeof args[0] === "object" ? args[0] : {};
  if (host !== "127.0.0.1") throw new Error(`connected to ${host} without TLS`);
  return plain(...args);
};
