import icon from '../assets/icon.svg';
import { THEMES } from '../lib/settings';
import type { Theme } from '../lib/settings';
import { ConnectionState } from './ConnectionState';
import { CoinLink } from './CoinLink';
import { useCurrencies, useCurrency, useServices, useSettings } from './context';
import styles from './Header.module.css';

const THEME_NAMES: Readonly<Record<Theme, string>> = { auto: 'Auto', light: 'Light', dark: 'Dark' };

function CurrencyChoice() {
  const { settings } = useServices();
  const currencies = useCurrencies();
  const currency = useCurrency();
  if (currencies.length < 2) return null;
  return (
    <select
      className={styles.select}
      aria-label="Quote currency"
      title="Quote currency"
      value={currency}
      onChange={(event) => {
        settings.update({ currency: event.target.value });
      }}
    >
      {currencies.map((code) => (
        <option key={code} value={code}>
          {code.toUpperCase()}
        </option>
      ))}
    </select>
  );
}

function ThemeChoice() {
  const { settings } = useServices();
  const { theme } = useSettings();
  return (
    <select
      className={styles.select}
      aria-label="Theme"
      title="Theme"
      value={theme}
      onChange={(event) => {
        settings.update({ theme: THEMES.find((known) => known === event.target.value) ?? 'auto' });
      }}
    >
      {THEMES.map((name) => (
        <option key={name} value={name}>
          {THEME_NAMES[name]}
        </option>
      ))}
    </select>
  );
}

interface Props {
  readonly filter: string;
  readonly onFilter: (filter: string) => void;
}

export function Header({ filter, onFilter }: Props) {
  return (
    <header className={styles.header}>
      <CoinLink id={null} className={styles.brand}>
        <img src={icon} alt="" width="22" height="22" />
        <h1 className={styles.title}>Crypto Pulse</h1>
      </CoinLink>
      <input
        className={styles.filter}
        type="search"
        placeholder="Filter coins"
        aria-label="Filter coins by name, symbol or id"
        autoComplete="off"
        spellCheck={false}
        value={filter}
        onChange={(event) => {
          onFilter(event.target.value);
        }}
      />
      <div className={styles.tools}>
        <CurrencyChoice />
        <ThemeChoice />
        <ConnectionState />
      </div>
    </header>
  );
}
