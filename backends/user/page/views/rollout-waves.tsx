import type { Wave } from '../api/types.ts';
import { Ago } from '../ui/format.tsx';
import { Badge } from '../ui/marks.tsx';
import { Rows } from '../ui/rows.tsx';

/** The waves of a rollout, the latest first. */
export function RolloutWaves({ waves }: { waves: readonly Wave[] }) {
  return (
    <Rows
      items={waves}
      label="Waves"
      row={(wave) => <WaveRow key={wave.wave} wave={wave} />}
      empty={<p>No instance was moved yet.</p>}
    />
  );
}

function WaveRow({ wave: row }: { wave: Wave }) {
  const { wave, is_canary: isCanary, instances, moved_at: movedAt } = row;
  return (
    <li class="row" data-wave={wave}>
      <div class="row-state stack small">
        <Badge state={stateOf(row)} />
      </div>
      <div class="row-main">
        <p class="line">
          <span class="strong">{`Wave ${wave}`}</span>
          {isCanary && <span class="tag inline">canary</span>}
        </p>
        <p class="small quiet">{[`${instances} moved`, ...outcomesOf(row)].join(' · ')}</p>
      </div>
      <p class="row-time small quiet">
        moved <Ago at={movedAt} />
      </p>
    </li>
  );
}

function stateOf({ instances, awaited, failed, reverted, left }: Wave): string {
  if (reverted > 0) return 'reverted';
  if (failed > 0) return 'failed';
  if (awaited > 0) return 'moved';
  return left === instances ? 'left' : 'healthy';
}

function outcomesOf({ awaited, healthy, failed, left, reverted, unjudged }: Wave): string[] {
  const outcomes: [count: number, what: string][] = [
    [awaited, 'awaited'],
    [healthy, 'healthy'],
    [failed, 'failed'],
    [left, 'left'],
    [reverted, 'reverted'],
    [unjudged, 'not judged'],
  ];
  return outcomes.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
}
