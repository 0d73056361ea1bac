/**
 * The request broke before a complete answer came: no connection, a reset, a time-out, a bad certificate,
 * or an answer that is not what the API server sends. The cause is kept. **The outcome of a write is then
 * unknown**: it may have been done, so read the object before deciding anything from it.
 */
export class TransportError extends Error {
  override readonly name = "TransportError";
}

/** A watch brought no bytes, not even a bookmark, for as long as its watchdog allows. */
export class WatchIdleError extends TransportError {}

/** There is no usable kubeconfig, or its credentials cannot be had. */
export class KubeconfigError extends Error {
  override readonly name = "KubeconfigError";
}
