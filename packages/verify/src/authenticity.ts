/**
 * Who vouches for a root. Verify itself knows no curve: it calls a check that was made elsewhere (`@s7l/verify/signature`), so
 * that whoever pins roots does not carry what only signatures need.
 */
import type { CheckOptions, VerifiedArtifact } from "./artifact.ts";
import { SignatureError, type SignatureErrorCode } from "./signature/errors.ts";

/** What there is to be signed. */
export interface Sealed {
  /** R, recomputed. */
  readonly root: Uint8Array;
  /** Bytes of the artifact. */
  readonly size: number;
  /** SHA-256 of all its bytes: reads them, each held to the root. Throws VerifyError where one is another. */
  readonly digest: () => Promise<Uint8Array>;
}

/** A signature that holds. */
export interface Signed {
  /** `oms`: an OpenSSF Model Signing bundle. */
  readonly kind: "oms" | "minisign";
  /** The key, as files of this kind name it. */
  readonly key: string;
  /** What the signer wrote beside it, and signed. */
  readonly comment?: string;
}

/** Gives who signed, or throws SignatureError. Made by `signedBy`. */
export type CheckSignature = (sealed: Sealed) => Promise<Signed>;

/** The verdict on an artifact's signature, apart from those on its rules. */
export type SignatureVerdict =
  | ({ readonly ok: true } & Signed)
  | { readonly ok: false; readonly code: SignatureErrorCode; readonly message: string };

export interface SignatureOptions {
  /** A signature that the artifact must have; where it does not hold, the artifact is refused. */
  readonly signature?: CheckSignature;
  /** Refuses an artifact for which no `signature` is given. A pinned root does not stand in for one. */
  readonly requireSignature?: boolean;
}

/**
 * The verdict, or undefined where no signature is asked for. What the source throws passes through, and VerifyError where the
 * bytes that a digest is of are not the artifact's.
 */
export async function judgeSignature(
  artifact: Pick<VerifiedArtifact, "root" | "size" | "digest">,
  { signature, requireSignature, ...options }: SignatureOptions & CheckOptions,
): Promise<SignatureVerdict | undefined> {
  if (!signature && !requireSignature) return undefined;
  try {
    if (!signature) throw new SignatureError("signature-missing", "a signature is required, and none was given");
    const { root, size } = artifact;
    return { ok: true, ...(await signature({ root, size, digest: () => artifact.digest(options) })) };
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    return { ok: false, code: error.code, message: error.message };
  }
}
