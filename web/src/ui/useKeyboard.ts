/** What a keyboard needs of the way from the table to a coin and back. */
import { useEffect, useRef } from 'react';
import { useServices } from './context';

export const HEADING_ID = 'coin-heading';
export const linkId = (coinId: string): string => `coin-${coinId}`;

/** The focus goes along: to the heading of a coin that opens, to the row of one that closes. */
export function useFocusGoesAlong(coinId: string | null): void {
  const shown = useRef(coinId);
  useEffect(() => {
    const before = shown.current;
    shown.current = coinId;
    if (before === coinId) return;
    const target = coinId === null && before !== null ? linkId(before) : HEADING_ID;
    document.getElementById(target)?.focus();
  }, [coinId]);
}

/** Where Escape has a meaning of its own: it empties the filter and closes a list. */
function ownsEscape(target: EventTarget | null): boolean {
  return target instanceof Element && target.matches('input[type=search], select');
}

/** Escape closes the opened coin, unless somebody else has taken the key. */
export function useEscapeCloses(coinId: string | null): void {
  const { router } = useServices();
  useEffect(() => {
    if (coinId === null) return undefined;
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || event.defaultPrevented || ownsEscape(event.target)) return;
      router.navigate(null);
    };
    document.addEventListener('keydown', onKey);
    return () => {
      document.removeEventListener('keydown', onKey);
    };
  }, [coinId, router]);
}
