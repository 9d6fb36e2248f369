export { SignatureError, type SignatureErrorCode } from "./errors.ts";
export { keyHint, type PublicKey, publicKeyPem, readPublicKey } from "./public-key.ts";
export { rootLine, rootStatement, type SignedRoot } from "./root-statement.ts";
export { type Signature, signedBy } from "./signed-by.ts";
export { checkSignedFile } from "./signed-file.ts";
