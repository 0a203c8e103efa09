import { createRoot } from 'react-dom/client';
import { Boot } from './ui/Boot';
import { ErrorBoundary } from './ui/ErrorBoundary';
import { SettingsStore, browserStorage } from './lib/settings';
import { reloadWhenUpgraded } from './lib/upgrade';
import { applyTheme } from './ui/theme';
import './ui/base.css';

reloadWhenUpgraded(import.meta.url);
const settings = new SettingsStore(browserStorage());
applyTheme(settings.get().theme);
settings.subscribe(() => {
  applyTheme(settings.get().theme);
});

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <ErrorBoundary title="Crypto Pulse had to stop" page>
      <Boot settings={settings} />
    </ErrorBoundary>,
  );
}
