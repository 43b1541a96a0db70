/** The certificate of a server is not trusted, so nothing was sent to it. The message says what to do. */
export class UntrustedCertificate extends Error {
  override name = 'UntrustedCertificate';
}

interface CertificatePlace {
  /** The server and its address, e.g. `RabbitMQ at broker:5671`. */
  server: string;
  /** The variable with the address of the server. */
  setting: string;
  /** The variable that names the file of CAs. */
  caSetting: string;
}

/** Codes of OpenSSL's verification as Node.js names them: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const verificationCodes =
  /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|ERROR_IN_CERT_|ERR_TLS_CERT_ALTNAME)/;
const otherName = 'ERR_TLS_CERT_ALTNAME_INVALID';
const timeCodes = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
/** gRPC has no code for certificates: such a call fails as UNAVAILABLE, and only its text gives the reason. */
const grpcUnavailable = 14;

/** Whether a connection failed because of the server's certificate. */
export function isUntrusted(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof UntrustedCertificate) return true;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && verificationCodes.test(code)) return true;
  if (code === grpcUnavailable && /certificate/i.test(error.message)) return true;
  return error instanceof AggregateError ? error.errors.some(isUntrusted) : isUntrusted(error.cause);
}

/** Returns an UntrustedCertificate that says what to do, if the certificate is the cause; else the error unchanged. */
export function explainUntrusted(error: unknown, { server, setting, caSetting }: CertificatePlace): unknown {
  if (!(error instanceof Error) || error instanceof UntrustedCertificate || !isUntrusted(error)) return error;
  const { code, message } = sourceOf(error);
  const isOtherName = code === otherName || message.includes('altnames');
  const isOfTime = timeCodes.has(code ?? '') || /expired|not yet valid/.test(message);
  const what = isOtherName ? 'has a certificate for other names' : 'has a certificate that is not trusted';
  const advice = isOtherName
    ? `Name the server in ${setting} as its certificate does, or give it a certificate for this name.`
    : isOfTime
      ? 'Give the server a new certificate, or correct the clocks.'
      : `Name the file of the CA that signed it, in PEM form, in ${caSetting}, or correct ${setting}.`;
  return new UntrustedCertificate(`${server} ${what}: ${message}. ${advice}`, { cause: error });
}

/** The innermost error about the certificate. */
function sourceOf(error: Error): { code: string | undefined; message: string } {
  const { code } = error as { code?: unknown };
  const causes = error instanceof AggregateError ? (error.errors as unknown[]) : [error.cause];
  const below = typeof code === 'string' && verificationCodes.test(code) ? undefined : causes.find(isUntrusted);
  if (below instanceof Error) return sourceOf(below);
  return { code: typeof code === 'string' ? code : undefined, message: error.message };
}
