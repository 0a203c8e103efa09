"""What tests talk with: Kafka, PostgreSQL, Redis and WebSocket clients, and waiting."""

import asyncio
import contextlib
import ctypes
import json
import threading
import time

import confluent_kafka
import confluent_kafka.admin
import psycopg2
import websockets


def wait_until(condition, timeout=30, what="the condition"):
    """Polls until CONDITION() is truthy and returns that; an assertion fails after TIMEOUT s.
    An exception counts as not yet: the server may be down at the moment."""
    deadline = time.monotonic() + timeout
    while True:
        problem = None
        try:
            value = condition()
            if value:
                return value
        except Exception as error:  # pylint: disable=broad-except
            problem = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s") from problem
        time.sleep(0.02)


class Topic:
    """One Kafka topic, seen from outside the daemons."""

    def __init__(self, broker, name):
        self.broker = broker
        self.name = name
        self._settings = {"bootstrap.servers": broker, "log_level": 2}
        self._producer = None

    def create(self, partitions=3, config=None):
        admin = confluent_kafka.admin.AdminClient(self._settings)
        new = confluent_kafka.admin.NewTopic(self.name, partitions, 1, config=config or {})
        admin.create_topics([new])[self.name].result(30)

    def configure(self, config):
        """In place of what it was created with."""
        resource = confluent_kafka.admin.ConfigResource("topic", self.name, set_config=config)
        admin = confluent_kafka.admin.AdminClient(self._settings)
        admin.alter_configs([resource])[resource].result(30)

    def delete(self):
        admin = confluent_kafka.admin.AdminClient(self._settings)
        admin.delete_topics([self.name])[self.name].result(30)
        self._producer = None  # it remembers the topic

    def widen(self, partitions):
        """Adds partitions until there are so many."""
        admin = confluent_kafka.admin.AdminClient(self._settings)
        new = confluent_kafka.admin.NewPartitions(self.name, partitions)
        admin.create_partitions([new])[self.name].result(30)
        self._producer = None

    def delete_before(self, partition, offset):
        """As when the retention is over. Debian's confluent_kafka has no call for it."""
        kafka = ctypes.CDLL("librdkafka.so.1")
        for name in ("conf_new", "new", "queue_new", "topic_partition_list_new", "DeleteRecords_new",
                     "topic_partition_list_add", "queue_poll", "event_DeleteRecords_result",
                     "DeleteRecords_result_offsets"):
            getattr(kafka, f"rd_kafka_{name}").restype = ctypes.c_void_p
        pointer, error = ctypes.c_void_p, ctypes.create_string_buffer(512)
        conf = pointer(kafka.rd_kafka_conf_new())
        kafka.rd_kafka_conf_set(conf, b"bootstrap.servers", self.broker.encode(), error, 512)
        client = pointer(kafka.rd_kafka_new(0, conf, error, 512))
        queue = pointer(kafka.rd_kafka_queue_new(client))
        where = pointer(kafka.rd_kafka_topic_partition_list_new(1))
        kafka.rd_kafka_topic_partition_list_add(where, self.name.encode(), partition)
        kafka.rd_kafka_topic_partition_list_set_offset(where, self.name.encode(), partition,
                                                       ctypes.c_int64(offset))
        records = pointer(kafka.rd_kafka_DeleteRecords_new(where))
        kafka.rd_kafka_DeleteRecords(client, ctypes.byref(records), ctypes.c_size_t(1), None, queue)
        event = pointer(kafka.rd_kafka_queue_poll(queue, 30000))
        assert event and kafka.rd_kafka_event_error(event) == 0
        kafka.rd_kafka_event_destroy(event)
        kafka.rd_kafka_queue_destroy(queue)
        kafka.rd_kafka_destroy(client)

    def beside(self, suffix, config=None):
        """Another topic of the same broker, created."""
        topic = Topic(self.broker, f"{self.name}-{suffix}")
        topic.create(config=config)
        return topic

    def ends(self):
        """The offset after the last message, by partition."""
        consumer = confluent_kafka.Consumer({**self._settings, "group.id": "ends"})
        try:
            return {n: consumer.get_watermark_offsets(
                        confluent_kafka.TopicPartition(self.name, n), timeout=10)[1]
                    for n in range(self.partitions())}
        finally:
            consumer.close()

    def committed(self, group, partition):
        """The offset that the group has left at Kafka; negative: none."""
        consumer = confluent_kafka.Consumer({**self._settings, "group.id": group})
        try:
            where = confluent_kafka.TopicPartition(self.name, partition)
            return consumer.committed([where], timeout=10)[0].offset
        finally:
            consumer.close()

    def members(self, group):
        """How many the group has, if it is complete."""
        found = confluent_kafka.admin.AdminClient(self._settings).list_groups(group, timeout=10)
        return sum(len(g.members) for g in found if g.state == "Stable")

    def partitions(self):
        """How many it has; 0: there is no such topic."""
        admin = confluent_kafka.admin.AdminClient(self._settings)
        topics = admin.list_topics(timeout=30).topics
        return len(topics[self.name].partitions) if self.name in topics else 0

    def produce(self, key, value, **more):
        """One message, acknowledged on return. VALUE: bytes, text, or what becomes JSON."""
        self.produce_all([(key, value)], **more)

    def produce_all(self, messages, **more):
        """Many (key, value) pairs at once."""
        if not self._producer:
            self._producer = confluent_kafka.Producer(
                {**self._settings, "message.max.bytes": 20_000_000, "linger.ms": 5})
        failed = []
        for key, value in messages:
            if not isinstance(value, (bytes, str, type(None))):
                value = json.dumps(value)
            self._producer.produce(self.name, value, key, **more,
                                   on_delivery=lambda e, _: failed.append(e) if e else None)
            self._producer.poll(0)
        assert self._producer.flush(60) == 0, "Kafka did not take the messages"
        assert not failed, failed[0]

    def read(self, count, timeout=30):
        """The first COUNT messages as (key, value) texts, in the order of each partition."""
        consumer = confluent_kafka.Consumer({
            **self._settings, "group.id": f"reader-{time.monotonic_ns()}",
            "auto.offset.reset": "earliest", "enable.auto.commit": False})
        found = []
        try:
            consumer.subscribe([self.name])
            deadline = time.monotonic() + timeout
            while len(found) < count:
                message = consumer.poll(0.2)
                if message and not message.error():
                    key = message.key()
                    found.append((key.decode() if key else None, message.value().decode()))
                assert time.monotonic() < deadline, f"{len(found)} of {count} messages came"
        finally:
            consumer.close()
        return found


class Database:
    """Queries, each in a transaction of its own; connects anew when the server was away."""

    def __init__(self, **connection):
        self._settings = connection
        self._connection = None

    def rows(self, sql, *arguments):
        """All rows of a query; [] of a statement without any."""
        try:
            return self._run(sql, arguments)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            self.close()
            return self._run(sql, arguments)

    def value(self, sql, *arguments):
        """The first column of the first row, or None."""
        rows = self.rows(sql, *arguments)
        return rows[0][0] if rows else None

    @contextlib.contextmanager
    def locked(self, table, mode="access exclusive"):
        """While it lasts, whatever wants a lock against this one waits: by default every query."""
        connection = psycopg2.connect(connect_timeout=5, **self._settings)
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"lock table {table} in {mode} mode")
            yield
        finally:
            connection.close()

    def close(self):
        if self._connection:
            self._connection.close()
        self._connection = None

    def _run(self, sql, arguments):
        if not self._connection:
            self._connection = psycopg2.connect(connect_timeout=5, **self._settings)
            self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(sql, arguments or None)
            return cursor.fetchall() if cursor.description else []


class WebSocketClient:
    """Collects what a WebSocket server sends, in a thread of its own."""

    def __init__(self, url, **options):
        self.url = url
        self.messages = []  # texts, as they came
        self.error = None   # why the connection ended, if it was not close()
        self._options = {"max_size": None, "open_timeout": 10, **options}
        self._changed = threading.Condition()
        self._open = False
        self._loop = asyncio.new_event_loop()
        self._socket = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._open or self.error, 15)
        if not self._open:
            raise ConnectionError(f"{url}: {self.error or 'no answer'}")

    def _run(self):
        self._loop.run_until_complete(self._receive())

    async def _receive(self):
        try:
            async with websockets.connect(self.url, **self._options) as self._socket:
                self._tell(opened=True)
                async for message in self._socket:
                    self._tell(message)
            self._tell(error=ConnectionError("closed by the server"))
        except Exception as error:  # pylint: disable=broad-except
            self._tell(error=error)

    def _tell(self, message=None, opened=False, error=None):
        with self._changed:
            if message is not None:
                self.messages.append(message)
            self._open = self._open or opened
            self.error = self.error or error
            self._changed.notify_all()

    @property
    def close_code(self):
        """Of the closing handshake (RFC 6455 section 7.4), or None."""
        return self._socket.close_code

    @property
    def updates(self):
        """The messages as objects; numbers as they were written, for they must be exact."""
        return [json.loads(m, parse_float=str, parse_int=str) for m in list(self.messages)]

    def wait_for(self, condition, timeout=30):
        """The first update that meets the condition."""
        found, seen = [], 0

        def look():
            nonlocal seen
            for text in self.messages[seen:]:
                seen += 1
                update = json.loads(text, parse_float=str, parse_int=str)
                if condition(update):
                    found.append(update)
                    return True
            return False

        with self._changed:
            assert self._changed.wait_for(lambda: look() or self.error, timeout), \
                f"no such update within {timeout} s among {len(self.messages)}"
        assert found, f"the connection ended: {self.error!r}"
        return found[0]

    def close(self):
        if self._socket and not self.error:
            asyncio.run_coroutine_threadsafe(self._socket.close(), self._loop).result(10)
        self._thread.join(10)
