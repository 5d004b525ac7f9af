/** What the tests use of jsdom, which has no types of its own. */
declare module "jsdom" {
  export type Interceptor = unknown;
  export function requestInterceptor(
    answer: (request: Request) => Promise<Response | undefined>,
  ): Interceptor;
  export class JSDOM {
    constructor(html: string, options: { url: string; resources: { interceptors: Interceptor[] } });
    readonly window: { readonly XMLHttpRequest: typeof XMLHttpRequest };
  }
}
