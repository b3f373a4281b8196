import { useMemo } from 'react';
import { useWorkspace } from '../api/queries';
import { useSession } from './session';

const locale = 'en-GB';

export const number = (n: number | undefined) => new Intl.NumberFormat(locale).format(n ?? 0);
export const percent = (share: number) => `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;
export const plural = (n: number, one: string, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** useTime writes moments in the workspace's time zone and says which that is. */
export function useTime() {
  const { session } = useSession();
  const zone = useWorkspace(!!session).data?.data.time_zone ?? 'UTC';
  return useMemo(() => {
    const make = (options: Intl.DateTimeFormatOptions) => {
      try {
        return new Intl.DateTimeFormat(locale, { ...options, timeZone: zone });
      } catch {
        return new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' });
      }
    };
    const full = make({
      day: '2-digit',
      month: 'short',
      year: 'numeric',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    const short = make({ day: '2-digit', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });
    return {
      zone,
      full: (text: string | undefined) => (text ? `${full.format(new Date(text))} ${zone}` : ''),
      short: (text: string | undefined) => (text ? short.format(new Date(text)) : ''),
    };
  }, [zone]);
}

/** ago says how long something is past or to come, roughly. */
export function ago(text: string | undefined, now = Date.now()): string {
  if (!text) return '';
  const seconds = Math.round((new Date(text).getTime() - now) / 1000);
  const size = Math.abs(seconds);
  const [value, unit] =
    size < 60
      ? [seconds, 'second' as const]
      : size < 3600
        ? [Math.trunc(seconds / 60), 'minute' as const]
        : size < 86400
          ? [Math.trunc(seconds / 3600), 'hour' as const]
          : [Math.trunc(seconds / 86400), 'day' as const];
  return new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(value, unit);
}
