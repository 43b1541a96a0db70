import { useEffect, useRef } from 'preact/hooks';
import { begin } from '../session.ts';
import { Field } from '../ui/form.tsx';
import { keepToken, tokenOf } from '../token.ts';

/** @param reason why the former token is no longer used */
export function SignInView({ reason }: { reason: string | undefined }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = 'Sign in · Instance engine';
    input.current?.focus();
  }, []);
  const submit = (event: Event): void => {
    event.preventDefault();
    const token = tokenOf(input.current?.value ?? '');
    if (!token) return;
    keepToken(token);
    void begin();
  };
  return (
    <form class="panel sign-in stack" onSubmit={submit}>
      <h1>Sign in</h1>
      {reason !== undefined && (
        <p role="alert" class="bad">
          {reason}
        </p>
      )}
      <Field id="token" label="Your token">
        <input
          id="token"
          ref={input}
          type="password"
          required
          autocomplete="off"
          spellcheck={false}
          aria-describedby="token-help"
        />
      </Field>
      <p id="token-help" class="quiet">
        <code>npm start</code>
        {
          ' prints addresses that hold one. Elsewhere, whoever runs this engine gives you one. It is kept until you close this tab.'
        }
      </p>
      <button type="submit" class="primary">
        Sign in
      </button>
    </form>
  );
}
