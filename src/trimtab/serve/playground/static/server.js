// What the page asks of its server: nothing else is ever called.
const KEY = "trimtab-key";

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const setKey = (key) => sessionStorage.setItem(KEY, key);

const headers = () => {
  const key = sessionStorage.getItem(KEY);
  return { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
};

const asked = async (path, options) => {
  let response;
  try {
    response = await fetch(path, { ...options, headers: headers() });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "the server cannot be reached; is it still running?");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Refused(response.status, body.error?.message ?? `the server answered ${response.status}`);
};

export const get = async (path) => (await asked(path, {})).json();

export const post = async (path, body, signal) =>
  (await asked(path, { method: "POST", body: JSON.stringify(body), signal })).json();

// A file to save, and its name.
export const file = async (path, body) => {
  const response = await asked(path, { method: "POST", body: JSON.stringify(body) });
  const [, name] = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "") ?? ["", "export.zip"];
  return { name, content: await response.blob() };
};

// Events of a stream, one by one, as they come.
export async function* events(path, body, signal) {
  const response = await asked(path, { method: "POST", body: JSON.stringify(body), signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}
