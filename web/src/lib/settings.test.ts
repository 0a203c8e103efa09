import { expect, test, vi } from 'vitest';
import type { SettingsStorage } from './settings';
import { SettingsStore, parseSettings } from './settings';

const DEFAULTS = { currency: null, theme: 'auto', historyLimit: 500 };

test.each([
  [null, {}],
  ['', {}],
  ['not json', {}],
  ['null', {}],
  ['[]', {}],
  ['{"theme":"pink","currency":7,"historyLimit":3}', {}],
  ['{"theme":"dark"}', { theme: 'dark' }],
  ['{"currency":"eur","historyLimit":100}', { currency: 'eur', historyLimit: 100 }],
  ['{"currency":"<b>"}', {}],
])('%s is read as %o', (text, expected) => {
  expect(parseSettings(text)).toEqual({ ...DEFAULTS, ...expected });
});

function memory(): SettingsStorage {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
  };
}

test('a choice is kept and announced', () => {
  const storage = memory();
  const settings = new SettingsStore(storage);
  const listener = vi.fn();
  const unsubscribe = settings.subscribe(listener);
  settings.update({ theme: 'light' });
  unsubscribe();
  settings.update({ currency: 'eur' });
  expect(listener).toHaveBeenCalledTimes(1);
  expect(new SettingsStore(storage).get()).toEqual({ ...DEFAULTS, theme: 'light', currency: 'eur' });
});

test('storage that throws costs the memory, not the choice', () => {
  const fail = (): never => {
    throw new Error('denied');
  };
  const settings = new SettingsStore({ getItem: fail, setItem: fail });
  settings.update({ theme: 'dark' });
  expect(settings.get().theme).toBe('dark');
  expect(new SettingsStore(null).get()).toEqual(DEFAULTS);
});
