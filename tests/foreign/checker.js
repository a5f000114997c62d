// Checks what Sealbook publishes with the verifier of sigstore's JavaScript client. It shares no code with Sealbook.
//
// Its argument is the folder that the package is installed in. Standard input holds one question a line, in JSON;
// standard output one answer a line, in JSON.
"use strict";

const { createPublicKey } = require("node:crypto");
const { join } = require("node:path");
const { createInterface } = require("node:readline");

const tlog = join(process.argv[2], "node_modules", "@sigstore", "verify", "dist", "tlog");
const { verifyCheckpoint } = require(join(tlog, "checkpoint.js"));
const { verifyMerkleInclusion } = require(join(tlog, "merkle.js"));

const ED25519 = Buffer.from("302a300506032b6570032100", "hex"); // what stands before a raw key in DER

// A log as the client knows it, of the line that we publish for its key.
function logOf(vkey) {
  const [name, id, material] = vkey.split(/\+(.{8})\+/);
  const der = Buffer.concat([ED25519, Buffer.from(material, "base64").subarray(1)]);
  const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
  return { logID: Buffer.from(id, "hex"), baseURL: name, publicKey };
}

function check({ Keys, Note, Index, Entry, Proof }) {
  const entry = {
    canonicalizedBody: Buffer.from(Entry ?? "", "base64"),
    inclusionProof: {
      checkpoint: { envelope: Note },
      logIndex: String(Index ?? 0),
      hashes: (Proof ?? []).map((hash) => Buffer.from(hash, "base64")),
    },
  };
  const checkpoint = verifyCheckpoint(entry, Keys.map(logOf));
  if (Proof) {
    verifyMerkleInclusion(entry, checkpoint);
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const answer = {};
  try {
    check(JSON.parse(line));
  } catch (error) {
    answer.Refused = error.message;
  }
  console.log(JSON.stringify(answer));
});
