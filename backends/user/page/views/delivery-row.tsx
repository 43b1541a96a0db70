import { addressOf } from '../router.ts';
import { Ago, Friendly, Id } from '../ui/format.tsx';
import { Badge } from '../ui/marks.tsx';

interface DeliveryRowProps {
  kind: 'deployment' | 'rollout';
  id: string;
  status: string;
  /** What is delivered. */
  title: string;
  /** How far it is, in words. */
  progress: string;
  reason: { message: string } | null;
  requestedAt: string;
  endedAt: string | null;
}

/** The deployment of a build or the rollout of a version, as one of many. */
export function DeliveryRow({ kind, id, status, title, progress, reason, requestedAt, endedAt }: DeliveryRowProps) {
  return (
    <li class="row" {...{ [`data-${kind}`]: id }}>
      <div class="row-state stack small">
        <DeliveryBadge status={status} />
      </div>
      <div class="row-main">
        <p class="line">
          <a class="strong" href={addressOf([`${kind}s`, id])}>
            {`${title} `}
            <Id of={id} />
          </a>
        </p>
        <p class="small quiet">{progress}</p>
        {reason !== null && (
          <p class="small">
            <Friendly text={reason.message} />
          </p>
        )}
      </div>
      <p class="row-time small quiet">
        {endedAt === null ? 'requested ' : 'ended '}
        <Ago at={endedAt ?? requestedAt} />
      </p>
    </li>
  );
}

export function DeliveryBadge({ status }: { status: string }) {
  return <Badge state={status.replace('_', ' ')} />;
}
