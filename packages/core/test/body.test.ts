import { createReadStream } from "node:fs";
import { Duplex, PassThrough, Readable } from "node:stream";
import { createContext, runInContext } from "node:vm";
import PackageFormData from "form-data";
import { describe, expect, test } from "vitest";
import { isReplayableBody, isReplayableRequest } from "../src/body.ts";

const elsewhere = createContext({});

function webForm(): FormData {
  const form = new FormData();
  form.append("file", new Blob(["x"]), "x.txt");
  return form;
}

function packageForm(): PackageFormData {
  const form = new PackageFormData();
  form.append("a", "b");
  return form;
}

describe("a body that can be sent a second time", () => {
  test.for<[string, unknown]>([
    ["none", undefined],
    ["null", null],
    ["a text", "text"],
    ["an empty text", ""],
    ["a FormData", webForm()],
    ["a URLSearchParams", new URLSearchParams({ a: "1" })],
    ["a Blob", new Blob(["x"])],
    ["a File", new File(["x"], "x.txt")],
    ["an ArrayBuffer", new ArrayBuffer(2)],
    ["a SharedArrayBuffer", new SharedArrayBuffer(2)],
    ["a Uint8Array", new Uint8Array(2)],
    ["a Float64Array", new Float64Array(2)],
    ["a DataView", new DataView(new ArrayBuffer(2))],
    ["a Buffer", Buffer.from("x")],
    ["an ArrayBuffer of another realm", runInContext("new ArrayBuffer(2)", elsewhere)],
    ["a Uint8Array of another realm", runInContext("new Uint8Array(2)", elsewhere)],
    ["a DataView of another realm", runInContext("new DataView(new ArrayBuffer(2))", elsewhere)],
    ["a text of another realm", runInContext("'text'", elsewhere)],
  ])("is %s", ([, body]) => {
    expect(isReplayableBody(body)).toBe(true);
  });
});

describe("a body that is empty the second time, or that nobody knows", () => {
  test.for<[string, () => unknown]>([
    ["a ReadableStream", () => new ReadableStream()],
    ["the stream of a Blob", () => new Blob(["x"]).stream()],
    ["a Readable", () => Readable.from(["x"])],
    ["a file's stream", () => createReadStream(import.meta.filename).on("error", () => {})],
    ["a PassThrough", () => new PassThrough()],
    ["a Duplex", () => Duplex.from(["x"])],
    ["the form of the form-data package", packageForm],
    [
      "a generator",
      function* () {
        yield "x";
      },
    ],
    [
      "a running generator",
      () =>
        (function* () {
          yield "x";
        })(),
    ],
    [
      "a running async generator",
      () =>
        (async function* () {
          yield "x";
        })(),
    ],
    [
      "an async iterable with the tag of a FormData",
      () => tagged("FormData", { [Symbol.asyncIterator]() {} }),
    ],
    ["a stream with the tag of a FormData", () => tagged("FormData", { pipe() {} })],
    ["a stream with the tag of a Blob", () => tagged("Blob", { pipe() {} })],
    ["a generator of another realm", () => runInContext("(function* () {})()", elsewhere)],
    ["an async generator of another realm", () => runInContext("(async function* () {})()", elsewhere)],
    ["a plain object", () => ({ a: 1 })],
    ["an array", () => ["x"]],
    ["a Map", () => new Map()],
    ["a String object", () => new String("x")],
    ["a number", () => 1],
    ["a boolean", () => true],
    ["a function", () => () => "x"],
    ["a symbol", () => Symbol("x")],
    ["a bigint", () => 1n],
    ["a promise", () => Promise.resolve("x")],
    ["an iterator", () => ["x"].values()],
    ["a Response", () => new Response("x")],
    ["an object without a prototype", () => Object.create(null)],
  ])("is %s", ([, make]) => {
    const body = make();
    expect(isReplayableBody(body)).toBe(false);
    if (body instanceof Readable) body.destroy();
  });
});

describe("a Request", () => {
  const url = "http://127.0.0.1/";
  const post = (length?: string) =>
    new Request(url, {
      method: "POST",
      body: "text",
      headers: length === undefined ? {} : { "content-length": length },
    });

  test.for(["GET", "HEAD", "POST", "DELETE"])("with the method %s and no body can be replayed", (method) => {
    expect(isReplayableRequest(new Request(url, { method }))).toBe(true);
  });

  test("whose body tells no length cannot: a stream and a text look alike there", () => {
    expect(isReplayableRequest(post())).toBe(false);
    const init = { method: "POST", body: new ReadableStream(), duplex: "half" };
    expect(isReplayableRequest(new Request(url, init))).toBe(false);
  });

  test.for<[string, boolean]>([
    ["0", true],
    ["4", true],
    ["1048576", true],
    ["1048577", false],
    ["999999999", false],
    ["9999999999", false],
    ["-1", false],
    ["", false],
    ["1e3", false],
    ["0x10", false],
    ["4, 4", false],
    ["4.0", false],
    ["many", false],
  ])("whose body tells the length %j can be replayed: %s", ([length, expected]) => {
    expect(isReplayableRequest(post(length))).toBe(expected);
  });

  test("of a runtime that does not have its body is known by its method", () => {
    const bodyless = (method: string) =>
      Object.defineProperty(new Request(url, { method }), "body", { value: undefined });
    expect(isReplayableRequest(bodyless("GET"))).toBe(true);
    expect(isReplayableRequest(bodyless("HEAD"))).toBe(true);
    expect(isReplayableRequest(bodyless("POST"))).toBe(false);
  });

  test("is not used up by being asked about", () => {
    const request = post("4");
    isReplayableRequest(request);
    expect(request.bodyUsed).toBe(false);
  });
});

function tagged(tag: string, members: object): object {
  return { ...members, [Symbol.toStringTag]: tag };
}
