// Calls a Savor server from Node with nothing but its protos: node classify.mjs HOST:PORT PROTOS
// Prints one JSON object: the answer to a unary call, the pieces of a stream, and how a wrong call fails.

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const [target, protos] = process.argv.slice(2);
const files = ["savor/v1/text_classification.proto", "savor/v1/text_generation.proto"];
const options = { keepCase: true, longs: Number, enums: String, arrays: true, includeDirs: [protos] };
const { v1 } = grpc.loadPackageDefinition(loadSync(files, options)).savor;

const plain = grpc.credentials.createInsecure();
const classification = new v1.TextClassificationService(target, plain);
const generation = new v1.TextGenerationService(target, plain);
const deadline = () => new Date(Date.now() + 30_000);

function classify(request) {
  return new Promise((resolve, reject) =>
    classification.ClassifyText(request, { deadline: deadline() }, (error, response) =>
      error ? reject(error) : resolve(response),
    ),
  );
}

async function generate(request) {
  const pieces = [];
  for await (const response of generation.StreamGenerateText(request, { deadline: deadline() })) {
    pieces.push(response);
  }
  return pieces;
}

async function failure(call) {
  try {
    await call;
  } catch (error) {
    return { code: grpc.status[error.code], message: error.details };
  }
  throw new Error("a wrong call was answered");
}

const answers = {
  classified: await classify({ model: "classifier", inputs: [{ text: "A good day." }, { text: "日本" }], top_k: 0 }),
  streamed: await generate({ model: "generator", inputs: ["Once upon"], parameters: { max_new_tokens: 12 } }),
  dropped: await classify({
    model: "classifier-with-params",
    inputs: [{ text: "A good day." }],
    parameters: { extra: { top_k: { int_value: 1 }, colour: { string_value: "blue" } } },
  }),
  unknown: await failure(classify({ model: "nobody", inputs: [{ text: "A good day." }] })),
  streamed_unknown: await failure(generate({ model: "nobody", inputs: ["Once upon"] })),
};
console.log(JSON.stringify(answers));
classification.close();
generation.close();
