/**
 * A page that is open while the dashboard is upgraded names files that are gone; it is loaded anew
 * when it misses one. That is done only where the server has another page to give: a server that
 * is away, or has lost a file, must not cost what is on the screen, nor make the page reload for
 * ever.
 */

/** Whether the server's page begins with another script than this one, whose address is `script`. */
export async function isUpgraded(script: string): Promise<boolean> {
  try {
    const response = await fetch('/', { cache: 'no-cache' });
    return response.ok && !(await response.text()).includes(new URL(script).pathname);
  } catch {
    return false;
  }
}

/** Listens for parts of the page that cannot be loaded. */
export function reloadWhenUpgraded(
  script: string,
  reload: () => void = () => {
    window.location.reload();
  },
): void {
  let reloading = false;
  window.addEventListener('vite:preloadError', () => {
    void isUpgraded(script).then((upgraded) => {
      if (!upgraded || reloading) return;
      reloading = true;
      reload();
    });
  });
}
