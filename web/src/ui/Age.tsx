import { useAge } from './context';
import { formatTime } from '../lib/format';

/** A time as its age, with the time itself as a tooltip. */
export function Age({ time_ms }: { time_ms: number }) {
  const age = useAge(time_ms);
  return (
    <time dateTime={new Date(time_ms).toISOString()} title={formatTime(time_ms)}>
      {age}
    </time>
  );
}
