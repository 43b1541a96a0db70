import { addressOf } from '../router.ts';

export function NotFoundView() {
  return (
    <>
      <h1>There is no such view</h1>
      <p>
        <a href={addressOf(['instances'])}>See your instances</a>
      </p>
    </>
  );
}
