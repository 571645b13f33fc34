/**
 * Where a browser keeps protected keys from the moment they are made until the file is saved: IndexedDB.
 *
 * Contract: keyStore.save(session, kept) keeps the keys *unless there are some already*, and resolves with those that
 * are kept, so that two tabs end with the same ones; load(session) -> kept | undefined; clear(session).
 * Every failure is PkiError storage_unavailable (private windows of some browsers, a full disk).
 */
import { PkiError } from "./pkierror.js";

const DATABASE = "betpe-bet";
const STORE = "keys";

/** @typedef {import("./keypairs.js").KeptKeys} KeptKeys */

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function outcome(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @returns {Promise<IDBDatabase>} */
function open() {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return outcome(request);
}

/**
 * Run the work in one transaction that is on the disk when this resolves.
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function transact(mode, work) {
  /** @type {IDBDatabase | undefined} */
  let database;
  try {
    database = await open();
    const transaction = database.transaction(STORE, mode, { durability: "strict" });
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const [result] = await Promise.all([work(transaction.objectStore(STORE)), done]);
    return result;
  } catch (error) {
    const reason = error instanceof Error ? error.name : "unknown";
    throw new PkiError("storage_unavailable", `This browser does not keep data for this page (${reason}).`);
  } finally {
    database?.close();
  }
}

export const keyStore = {
  /** @param {string} session @param {KeptKeys} kept @returns {Promise<KeptKeys>} */
  save(session, kept) {
    return transact("readwrite", async (store) => {
      const first = await outcome(store.get(session));
      if (first) return first;
      await outcome(store.put(kept, session));
      return kept;
    });
  },

  /** @param {string} session @returns {Promise<KeptKeys | undefined>} */
  load(session) {
    return transact("readonly", (store) => outcome(store.get(session)));
  },

  /** @param {string} session @returns {Promise<void>} */
  async clear(session) {
    await transact("readwrite", (store) => outcome(store.delete(session)));
  },
};
