// Asking the service. Addresses are relative, so the page also works below a path of a proxy.

/** An answer that is not the one asked for. */
export class Problem extends Error {
  /**
   * @param title what went wrong, in one line.
   * @param detail more about this request.
   * @param faults the fields at fault: {field, message}.
   */
  constructor(title, { status = 0, detail = "", faults = [], requestId = "", retryAfter = "" } = {}) {
    super(title);
    Object.assign(this, { status, detail, faults, requestId, retryAfter });
  }
}

export const listModels = (key) => ask("v1/models", { key });

export const tag = (request, options) => post("v1/entities", request, options);

export const remember = (request, options) => post("v1/examples", request, options);

export const suggest = (request, options) => post("v1/feedback", request, options);

const post = (address, request, { key, signal }) =>
  ask(address, {
    key,
    signal,
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
  });

async function ask(address, { key, headers = {}, ...options }) {
  const response = await send(address, {
    ...options,
    headers: key ? { ...headers, Authorization: `Bearer ${key}` } : headers,
  });
  if (!response.ok) throw await problemOf(response);
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The answer is not JSON", { detail: "Is something between here and there?" });
  }
}

async function send(address, options) {
  let checked;
  try {
    checked = new Headers(options.headers);
  } catch {
    throw new Problem("This key has characters that no key can have", { status: 401 });
  }
  try {
    return await fetch(address, { ...options, headers: checked, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The service cannot be reached", { detail: "Is it running?" });
  }
}

// RFC 9457; a proxy may answer in any other form.
async function problemOf(response) {
  const told = {
    status: response.status,
    requestId: response.headers.get("X-Request-ID") ?? "",
    retryAfter: response.headers.get("Retry-After") ?? "",
  };
  let body = {};
  if (response.headers.get("Content-Type")?.includes("json")) {
    body = await response.json().catch(() => ({}));
  }
  const title = body.title ?? `The answer was ${response.status} ${response.statusText}`;
  return new Problem(title, { ...told, detail: body.detail, faults: body.errors });
}
