import type { DeadLetterContent } from '../api/types.ts';
import type { LetterAddress } from '../api/admin-backend.ts';
import { addressOf, go } from '../router.ts';
import { useAdmin } from '../session.ts';
import { confirm } from '../ui/dialog.tsx';
import { Time } from '../ui/format.tsx';
import { Load } from '../ui/loading.tsx';
import { markClass } from '../ui/marks.tsx';
import { errorText, sayInNextView, warn } from '../ui/notice.tsx';
import { Fact } from './instance-facts.tsx';

/** One dead letter in full, with a button to send it again. */
export function DeadLetterView({ queue, id }: LetterAddress) {
  const admin = useAdmin();
  return (
    <>
      <a class="back inline small" href={addressOf(['dead-letters'])}>
        Dead letters
      </a>
      <h1>A dead letter</h1>
      <div class="stack">
        <Load from={(signal) => admin.deadLetter({ queue, id }, signal)}>{(letter) => <Letter letter={letter} />}</Load>
      </div>
    </>
  );
}

function Letter({ letter }: { letter: DeadLetterContent }) {
  const admin = useAdmin();
  const { id, queue, origin_queue: origin, time } = letter;
  const send = async (): Promise<void> => {
    const confirmed = await confirm({
      title: 'Send this letter again?',
      content: <p>{`It goes back into ${origin}, whose service then tries to take it in.`}</p>,
      action: 'Send again',
    });
    if (!confirmed) return;
    try {
      await admin.sendAgain({ queue, id });
      sayInNextView('The letter is sent again.');
      go(addressOf(['dead-letters']));
    } catch (error) {
      warn(errorText(error));
    }
  };
  return (
    <>
      <section class={`panel verdict line ${markClass('failed')}`}>
        <p>{letter.reason}</p>
      </section>
      <div class="panel">
        <dl>
          <Fact name="Type">{letter.type ?? 'none'}</Fact>
          <Fact name="Could not be taken in by">{origin}</Fact>
          <Fact name="Is in">{queue}</Fact>
          <Fact name="Since">{time === null ? 'unknown' : <Time at={time} />}</Fact>
          <Fact name="Size">{`${letter.size_bytes} bytes`}</Fact>
        </dl>
      </div>
      <h2>Body</h2>
      {letter.body_cut && <p class="bad">Too large to be shown in full.</p>}
      {letter.body_encoding === 'base64' && <p class="quiet">It is no text, and shown in base64.</p>}
      <pre class="code panel">{pretty(letter.body)}</pre>
      <h2>Headers</h2>
      <pre class="code panel">{JSON.stringify(letter.headers, null, 2)}</pre>
      <div class="line">
        <button type="button" onClick={() => void send()}>
          Send again …
        </button>
      </div>
    </>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
