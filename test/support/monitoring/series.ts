export interface Series {
  labels: Record<string, string>;
  value: number;
}

/** The series of a name in the text format of Prometheus. */
export function seriesOf(text: string, name: string): Series[] {
  return text.split('\n').flatMap((line) => {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (found?.[1] !== name) return [];
    const labels = [...(found[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', value = '']) => [
      label,
      value,
    ]);
    return [{ labels: Object.fromEntries(labels) as Record<string, string>, value: Number(found[3]) }];
  });
}

/** The sum of the series that have these labels; undefined where there is none. */
export function valueOf(text: string, name: string, labels: Record<string, string> = {}): number | undefined {
  const fitting = seriesOf(text, name).filter((series) =>
    Object.entries(labels).every(([label, value]) => series.labels[label] === value),
  );
  return fitting.length === 0 ? undefined : fitting.reduce((sum, { value }) => sum + value, 0);
}
