// Calls a running registry with a client that is typed by its OpenAPI description. Usage: node client.js BASE PASSWORD
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Connection = components["schemas"]["Connection"];

declare const process: { argv: string[] };

const [base = "", password = ""] = process.argv.slice(2);
const open = createClient<paths>({ baseUrl: base });

const login = await open.POST("/api/users/login", { body: { username: "admin", password } });
if (!login.data) throw new Error(login.error.msg);
const headers = { Authorization: `Bearer ${login.data.accessToken}` };
const client = createClient<paths>({ baseUrl: base, headers });

const list = await client.GET("/api/connections", { params: { query: { limit: 2, orderby: "-id", status: ["[not]9"] } } });
if (!Array.isArray(list.data)) throw new Error("The list is none.");
const first: Connection | undefined = list.data[0];
if (!first) throw new Error("The list is empty.");

const shown = await client.GET("/api/connections/{id}", { params: { path: { id: first.id } } });
const log = shown.data?.latestLog;
const logIsTyped: boolean = log === null || typeof log?.id === "number";

const count = await client.GET("/api/connections", { params: { query: { countOnly: true } } });
if (!count.data || Array.isArray(count.data)) throw new Error("The count is none.");

const refused = await client.GET("/api/connections", { params: { query: { limit: 0 } } });
const missing = await client.GET("/api/connections/{id}", { params: { path: { id: 999_999 } } });

const pair = await open.POST("/api/token", { body: { username: "admin", password } });
if (!pair.data) throw new Error("No pair of tokens.");
const renewed = await open.POST("/api/token/refresh", { body: { refresh: pair.data.refresh } });
const verified = await open.POST("/api/token/verify", { body: { token: renewed.data?.access ?? "" } });
const links = await client.GET("/api/connections/{owner}/{info}/{id}", { params: { path: { owner: "bugs", info: "items", id: 1 } } });

console.log(
  JSON.stringify({
    listed: list.data.length,
    same: shown.data?.name === first.name && logIsTyped,
    count: count.data.count,
    refused: refused.error?.msg,
    missing: missing.response.status,
    renewed: typeof renewed.data?.access,
    verified: verified.response.status,
    links: links.data?.success,
  }),
);
