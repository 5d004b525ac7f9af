/**
 * Whether this code runs in a browser: a page, or a worker of one. There a secret is public, and redirects can only be
 * followed by the platform itself.
 */
export function isBrowser(): boolean {
  const scope = globalThis as { document?: unknown; location?: unknown; WorkerGlobalScope?: unknown };
  return !!(scope.location && (scope.document || scope.WorkerGlobalScope));
}
