import java.util.Base64;
import org.apache.kafka.tools.api.Decoder;

/** For DumpLogSegments: keys and values as base64, so that any byte survives the printed line. */
public final class Base64Decoder implements Decoder<String> {
    @Override
    public String fromBytes(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }
}
