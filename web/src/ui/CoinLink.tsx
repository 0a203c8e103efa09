import type { MouseEvent, ReactNode } from 'react';
import { routePath } from '../lib/route';
import { useServices } from './context';

/** Whether a click asks for a new tab or window, which is the browser's business. */
export function isPlainClick(event: MouseEvent): boolean {
  const modified = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  return event.button === 0 && !modified;
}

interface Props {
  /** The coin to open; null leads back to the market. */
  readonly id: string | null;
  /** Names the element itself. */
  readonly elementId?: string;
  readonly className?: string | undefined;
  readonly label?: string;
  readonly children: ReactNode;
}

/** A real link, so that it can be focused, copied and opened elsewhere, without a page load. */
export function CoinLink({ id, elementId, className, label, children }: Props) {
  const { router } = useServices();
  return (
    <a
      id={elementId}
      href={routePath(id)}
      className={className}
      aria-label={label}
      onClick={(event) => {
        if (!isPlainClick(event)) return;
        event.preventDefault();
        event.stopPropagation();
        router.navigate(id);
      }}
    >
      {children}
    </a>
  );
}
