export { writeMinisignPublic, writeMinisignSecret } from "./minisign-secret.ts";
export { encryptedKeyPem, generateKey, type PrivateKey, privateKeyPem, readPrivateKey } from "./private-key.ts";
export { type Signable, type SignableFile, type SignOptions, sign, signFile } from "./sign.ts";
