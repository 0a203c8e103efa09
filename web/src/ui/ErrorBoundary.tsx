import { Component } from 'react';
import type { ReactNode } from 'react';
import { Message } from './Message';

interface Props {
  /** What failed, as the title of what stands in its place. */
  readonly title: string;
  /** Fills the window instead of the space it is given. */
  readonly page?: boolean;
  readonly children: ReactNode;
}

/** Keeps a view that fails from taking with it whatever is around it. React tells the console why. */
export class ErrorBoundary extends Component<Props, { readonly failed: boolean }> {
  override readonly state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    const { title, page = false, children } = this.props;
    if (!this.state.failed) return children;
    const reload = (
      <button
        type="button"
        onClick={() => {
          window.location.reload();
        }}
      >
        Reload
      </button>
    );
    return (
      <Message title={title} tone="error" page={page} action={reload}>
        Loading the page anew usually helps.
      </Message>
    );
  }
}
