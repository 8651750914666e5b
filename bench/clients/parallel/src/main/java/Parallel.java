import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Consumes with Confluent's parallel-consumer: by key, or partition by partition. It takes a job and prints a sample, as the Go clients do
 * (bench/internal/work). It does the job twice, with a group each, and tells of the second time: in the first, Java compiles.
 */
public final class Parallel {
    /** How long the first time may take at most. */
    private static final long WARM_UP_SECONDS = 10;

    /** How many records it may hold: as many as karafgo lets be open in a partition. */
    private static final int BUFFER = 10_000;

    private static final int PRIME = 7919; // as in bench/internal/client
    private static final int THOUSAND = 1000;
    private static final int KIB = 1024;

    private final JsonNode job;
    private final String group;
    private final ProcessingOrder order;
    private final long sleep;
    private final boolean spread;
    private final List<Long> ends = new ArrayList<>(); // of each partition
    private final List<AtomicLong> records = new ArrayList<>();
    private final CountDownLatch left;
    private final long started = System.nanoTime();
    private final AtomicLong first = new AtomicLong();
    private volatile long last;

    private Parallel(JsonNode job, String group, ProcessingOrder order) {
        this.job = job;
        this.group = group;
        this.order = order;
        sleep = job.get("sleep").asLong();
        spread = job.path("spread").asBoolean();
        for (JsonNode end : job.get("ends")) {
            ends.add(end.asLong());
            records.add(new AtomicLong());
        }
        left = new CountDownLatch(records.size());
    }

    public static void main(String[] args) throws Exception {
        ObjectMapper json = new ObjectMapper();
        JsonNode job = json.readTree(args[0]);
        ProcessingOrder order = switch (job.get("variant").asText()) {
            case "parallel-consumer" -> ProcessingOrder.KEY;
            case "parallel-consumer-partitions" -> ProcessingOrder.PARTITION;
            default -> throw new IllegalArgumentException("no variant " + job.get("variant"));
        };
        if (!job.get("handler").asText().equals("sleep") || !job.get("until").asText().equals("end")) {
            throw new IllegalArgumentException("this client only does handlers that wait, until the end");
        }
        String group = job.get("group").asText();
        new Parallel(job, group + "-warm", order).run(WARM_UP_SECONDS);
        Map<String, Object> sample = new Parallel(job, group, order).run(Long.MAX_VALUE);
        System.out.println(json.writeValueAsString(sample));
        System.exit(0); // whatever threads are left
    }

    private Map<String, Object> run(long seconds) throws InterruptedException, IOException {
        long cpu = cpu();
        KafkaConsumer<String, byte[]> consumer = new KafkaConsumer<>(Map.of(
                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, texts("brokers"),
                ConsumerConfig.GROUP_ID_CONFIG, group,
                ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
                ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false, // parallel-consumer commits, and asks for this
                ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, StringDeserializer.class,
                ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class));
        // All else is as it comes: platform threads, a commit every 5 s. The buffer of its own choice begins with twice what runs at once:
        // partition by partition that is often full of records of one partition, and the others wait.
        ParallelStreamProcessor<String, byte[]> processor = ParallelStreamProcessor.createEosStreamProcessor(
                ParallelConsumerOptions.<String, byte[]>builder()
                        .consumer(consumer)
                        .ordering(order)
                        .maxConcurrency(job.get("at_once").asInt())
                        .commitMode(CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
                        .messageBufferSize(BUFFER)
                        .build());
        processor.subscribe(texts("topics"));
        processor.poll(context -> handle(context.getSingleConsumerRecord().partition()));
        left.await(seconds, TimeUnit.SECONDS);
        processor.close(); // waits for handlers, and commits
        long total = records.stream().mapToLong(AtomicLong::get).sum();
        return Map.of(
                "records", total, "first", first.get(), "span", last - first.get(), "close", System.nanoTime() - started - last,
                "cpu", cpu() - cpu, "rss_mib", peak(),
                "partitions", records.stream().filter(n -> n.get() > 0).count());
    }

    private void handle(int partition) {
        if (first.get() == 0) {
            first.compareAndSet(0, System.nanoTime() - started);
        }
        AtomicLong n = records.get(partition);
        LockSupport.parkNanos(delay(n.get())); // Thread.sleep would round up to milliseconds
        if (n.incrementAndGet() == ends.get(partition)) {
            last = System.nanoTime() - started; // the latest of the partitions is the last to say so
            left.countDown();
        }
    }

    /** How long the handler waits, the same as in the Go clients. */
    private long delay(long n) {
        return spread ? n * PRIME % THOUSAND * sleep / THOUSAND : sleep;
    }

    private List<String> texts(String field) {
        List<String> list = new ArrayList<>();
        job.get(field).forEach(one -> list.add(one.asText()));
        return list;
    }

    private static long cpu() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    /** The most memory that the process had, in MiB. */
    private static double peak() throws IOException {
        String line = Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(one -> one.startsWith("VmHWM:")).collect(Collectors.joining());
        return Double.parseDouble(line.replaceAll("[^0-9]", "")) / KIB;
    }
}
