export { checkProof, type Proven } from "./check-proof.ts";
export { ProofError, type ProofErrorCode } from "./proof.ts";
export { type ProofRequest, prove } from "./prove.ts";
