import { createRoot } from 'react-dom/client';
import { Boot } from './ui/Boot';
import { SettingsStore, browserStorage } from './lib/settings';
import { applyTheme } from './ui/theme';
import './ui/base.css';

const settings = new SettingsStore(browserStorage());
applyTheme(settings.get().theme);
settings.subscribe(() => {
  applyTheme(settings.get().theme);
});

const root = document.getElementById('root');
if (root) createRoot(root).render(<Boot settings={settings} />);
