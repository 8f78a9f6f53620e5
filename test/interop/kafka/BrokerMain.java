import java.io.IOException;

/**
 * kafka.Kafka, tied to the process that started it: when standard input ends, the broker is gone at once. So a test
 * runner that dies leaves no broker behind. A clean stop is SIGTERM, as for kafka.Kafka itself.
 */
public final class BrokerMain {
    private BrokerMain() { }

    public static void main(String[] args) {
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (IOException gone) {
                System.err.println("standard input failed: " + gone);
            }
            Runtime.getRuntime().halt(137);
        }, "standard-input-watch");
        watch.setDaemon(true);
        watch.start();
        kafka.Kafka.main(args);
    }
}
