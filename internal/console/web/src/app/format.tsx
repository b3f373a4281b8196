import { useMemo } from 'react';
import { useWorkspace } from '../api/queries';
import { locale, written } from './figures';
import { useSession } from './session';

export { ago, number, percent, plural } from './figures';

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
      full: (text: string | undefined) => written(text, (at) => `${full.format(at)} ${zone}`),
      short: (text: string | undefined) => written(text, (at) => short.format(at)),
    };
  }, [zone]);
}
