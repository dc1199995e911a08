// Calls a Savor server from Node with nothing but its protos: node call.mjs HOST:PORT PROTOS < CALLS
// CALLS is a JSON object: by name, an RPC ("Service/Method") and the messages to send. Prints one of the same names with
// the messages that came back, or with how the call failed.

import { readFileSync, readdirSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const [target, protos] = process.argv.slice(2);
const files = readdirSync(`${protos}/savor/v1`).filter((name) => name.endsWith(".proto"));
const options = { longs: String, enums: String, bytes: String, includeDirs: [protos] };
const { v1 } = grpc.loadPackageDefinition(loadSync(files.map((name) => `savor/v1/${name}`), options)).savor;
const plain = grpc.credentials.createInsecure();

function unary(client, method, message, settings) {
  return new Promise((resolve, reject) =>
    client[method](message, settings, (error, response) => (error ? reject(error) : resolve([response]))),
  );
}

async function read(stream) {
  const responses = [];
  for await (const response of stream) responses.push(response);
  return responses;
}

async function call({ rpc, messages }) {
  const [service, method] = rpc.split("/");
  const client = new v1[service](target, plain);
  const { requestStream, responseStream } = v1[service].service[method];
  const settings = { deadline: new Date(Date.now() + 30_000) };
  try {
    if (!responseStream) return { messages: await unary(client, method, messages[0], settings) };
    if (!requestStream) return { messages: await read(client[method](messages[0], settings)) };
    const stream = client[method](settings);
    for (const message of messages) stream.write(message);
    stream.end();
    return { messages: await read(stream) };
  } catch (error) {
    return { code: grpc.status[error.code], message: error.details };
  } finally {
    client.close();
  }
}

const calls = JSON.parse(readFileSync(0, "utf8"));
const answers = {};
for (const [name, wanted] of Object.entries(calls)) answers[name] = await call(wanted);
console.log(JSON.stringify(answers));
