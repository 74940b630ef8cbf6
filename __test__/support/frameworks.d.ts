// What the examples of README.md and docs/ use of web frameworks and test runners, none of which is
// installed here. As strict as their own types, so that what compiles here compiles there.

declare module 'express' {
  import type { IncomingHttpHeaders, Server } from 'node:http';

  export interface Request {
    body: unknown;
    cookies: Record<string, string | undefined>;
    headers: IncomingHttpHeaders;
    params: Record<string, string>;
  }
  export interface CookieOptions {
    httpOnly?: boolean | undefined;
    maxAge?: number | undefined;
    path?: string | undefined;
    sameSite?: boolean | 'lax' | 'strict' | 'none' | undefined;
    secure?: boolean | undefined;
  }
  export interface Response {
    clearCookie(name: string, options?: CookieOptions): this;
    cookie(name: string, value: string, options: CookieOptions): this;
    json(body?: unknown): this;
    sendStatus(code: number): this;
  }
  export type NextFunction = (error?: unknown) => void;
  export type RequestHandler = (
    request: Request,
    response: Response,
    next: NextFunction,
  ) => void | Promise<void>;
  export type ErrorRequestHandler = (
    error: unknown,
    request: Request,
    response: Response,
    next: NextFunction,
  ) => void | Promise<void>;
  export interface Application {
    delete(path: string, handler: RequestHandler): this;
    get(path: string, handler: RequestHandler): this;
    listen(port: number): Server;
    post(path: string, handler: RequestHandler): this;
    use(...handlers: (RequestHandler | ErrorRequestHandler)[]): this;
  }
  function express(): Application;
  namespace express {
    function json(): RequestHandler;
  }
  export default express;
}

declare module 'cookie-parser' {
  export default function cookieParser(): (
    request: unknown,
    response: unknown,
    next: () => void,
  ) => void;
}

declare module 'fastify' {
  export interface Request {
    body: unknown;
    cookies: Record<string, string | undefined>;
  }
  export interface Reply {
    code(code: number): this;
    send(payload?: unknown): this;
    setCookie(
      name: string,
      value: string,
      options: {
        httpOnly?: boolean;
        maxAge?: number;
        path?: string;
        sameSite?: 'lax' | 'strict' | 'none' | boolean;
        secure?: boolean;
      },
    ): this;
  }
  export type Plugin = (instance: Instance) => Promise<void>;
  export type Handler = (request: Request, reply: Reply) => unknown;
  export interface Instance {
    addHook(name: 'onClose', hook: (instance: Instance) => Promise<unknown>): this;
    get(path: string, handler: Handler): this;
    listen(options: { port: number }): Promise<string>;
    post(path: string, handler: Handler): this;
    register(plugin: Plugin): Promise<void>;
    setErrorHandler(handler: (error: unknown, request: Request, reply: Reply) => unknown): this;
  }
  export default function fastify(): Instance;
}

declare module '@fastify/cookie' {
  const cookie: (instance: unknown) => Promise<void>;
  export default cookie;
}

declare module 'next/headers' {
  export function cookies(): Promise<{ get(name: string): { value: string } | undefined }>;
}

declare module '@nestjs/common' {
  export function Global(): ClassDecorator;
  export function Injectable(): ClassDecorator;
  export function Module(about: { providers?: unknown[]; exports?: unknown[] }): ClassDecorator;
  export interface OnApplicationShutdown {
    onApplicationShutdown(signal?: string): unknown;
  }
}

declare function afterAll(hook: () => unknown): void;
declare function test(name: string, body: () => Promise<void>): void;
declare function expect(value: unknown): { toEqual(expected: unknown): void };
