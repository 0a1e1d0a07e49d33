// Where a person wants a download: a file that was picked, kept so that one click goes on with it after a
// reload. In IndexedDB, because nothing else keeps a handle.

const NAME = "longhaul-places";
const STORE = "places";

// The handle that was picked for that address, if there is one.
export async function placeOf(url) {
  return ask("readonly", (store) => store.get(url)).catch(() => undefined);
}

export async function keepPlace(url, handle) {
  // Without it a person picks again.
  await ask("readwrite", (store) => store.put(handle, url)).catch(() => {});
}

export async function forgetPlace(url) {
  await ask("readwrite", (store) => store.delete(url)).catch(() => {});
}

async function ask(mode, request) {
  const database = await opened();
  try {
    return await result(request(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function opened() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return result(request);
}

function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
