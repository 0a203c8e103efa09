import type { ReactNode } from 'react';
import styles from './Message.module.css';

interface Props {
  readonly title: string;
  readonly children: ReactNode;
  readonly tone?: 'plain' | 'error';
  /** Fills the window instead of the space it is given. */
  readonly page?: boolean;
  readonly action?: ReactNode;
}

/** What stands where there is nothing to show: empty, loading, failed. */
export function Message({ title, children, tone = 'plain', page = false, action }: Props) {
  return (
    <div className={page ? styles.page : styles.message} data-tone={tone} role="status">
      <p className={styles.title}>{title}</p>
      <p className={styles.text}>{children}</p>
      {action}
    </div>
  );
}
