import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * Messages as Kafka writes them, one JSON object a line, the same on each run. Arguments: the keys of the APIs.
 *
 *   {api, name, versions: [first, last], flexibleSince}              once for each API; flexibleSince null if never
 *   {api, direction, version, header, bytes, values}                 header and bytes in base64
 *   {api, direction, alone, frames: [base64 or null, ...]}           one frame for each version
 *
 * Each API, direction and version has one message of defaults and six of values drawn by Kafka's own schema of that
 * version. `values` holds every field of the message object, those that the version lacks too: their defaults count.
 * It is made by reflection and held against what Kafka's own JSON converter says.
 *
 * `alone` sets a single field, at any depth, and leaves all others at their default; null where Kafka refuses to write
 * it. So each field shows which versions have it, know its null, and let a sender set it although they lack it.
 */
public final class MessageVectors {
    private static final int DRAWN_MESSAGES = 6;
    private static final int CORRELATION_ID = 0x01020304;
    private static final long SAFE_MAX = (1L << 53) - 1;
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    public static void main(String[] args) throws Exception {
        for (String arg : args) writeApi(ApiMessageType.fromApiKey(Short.parseShort(arg)));
        OUT.flush();
    }

    private static void writeApi(ApiMessageType type) throws Exception {
        short first = type.lowestSupportedVersion();
        short last = type.highestSupportedVersion(false);
        ObjectNode line = JSON.objectNode().put("api", type.apiKey()).put("name", type.name);
        line.putArray("versions").add(first).add(last);
        line.putNull("flexibleSince");
        for (short version = last; version >= first; version--) {
            if (type.requestHeaderVersion(version) >= 2) line.put("flexibleSince", version);
        }
        OUT.println(line);
        for (short version = first; version <= last; version++) {
            for (int i = 0; i <= DRAWN_MESSAGES; i++) {
                writeMessage(type, "request", version, i, type.newRequest(), type.requestSchemas()[version]);
                writeMessage(type, "response", version, i, type.newResponse(), type.responseSchemas()[version]);
            }
        }
        Message request = type.newRequest();
        Message response = type.newResponse();
        writeAlone(type, "request", request, request, alone -> alone);
        writeAlone(type, "response", response, response, alone -> alone);
    }

    /** Sets the fields of `struct`, which is somewhere in `message`, one by one; `around` wraps its JSON up to there. */
    private static void writeAlone(
        ApiMessageType type, String direction, Message message, Object struct, UnaryOperator<JsonNode> around
    ) throws ReflectiveOperationException {
        for (Field field : fields(struct)) {
            Object original = field.get(struct);
            Object other = otherThan(original, field);
            UnaryOperator<JsonNode> here = value -> around.apply(JSON.objectNode().set(field.getName(), value));
            field.set(struct, other);
            writeFrames(type, direction, message, here.apply(dumpValue(other, true)));
            Object element = other instanceof Collection<?> list ? list.iterator().next() : other;
            if (element instanceof Message && element == other) writeAlone(type, direction, message, element, here);
            else if (element instanceof Message) {
                writeAlone(type, direction, message, element, value -> here.apply(JSON.arrayNode().add(value)));
            }
            if (!field.getType().isPrimitive() && field.getType() != Uuid.class) { // A UUID is null nowhere.
                field.set(struct, null);
                writeFrames(type, direction, message, here.apply(NullNode.instance));
            }
            field.set(struct, original);
        }
    }

    private static void writeFrames(ApiMessageType type, String direction, Message message, JsonNode alone) {
        ObjectNode line = JSON.objectNode().put("api", type.apiKey()).put("direction", direction);
        line.set("alone", alone);
        ArrayNode frames = line.putArray("frames");
        boolean isRefused = true;
        for (short version = type.lowestSupportedVersion(); version <= type.highestSupportedVersion(false); version++) {
            try {
                frames.add(base64(MessageUtil.toByteBufferAccessor(message, version).buffer()));
                isRefused = false;
            } catch (UnsupportedVersionException | NullPointerException refused) {
                frames.addNull();
            }
        }
        if (!isRefused) OUT.println(line); // Else a null that no version knows, or a field of an unstable version.
    }

    private static Object otherThan(Object value, Field field) throws ReflectiveOperationException {
        Class<?> type = field.getType();
        if (type == boolean.class) return !(Boolean) value;
        if (type == byte.class) return (byte) 5;
        if (type == short.class) return (short) 5;
        if (type == int.class) return 5;
        if (type == long.class) return 5L;
        if (type == double.class) return 0.5;
        if (type == String.class) return "a";
        if (type == Uuid.class) return new Uuid(5, 5);
        if (type == byte[].class) return new byte[] {5};
        if (type == ByteBuffer.class) return ByteBuffer.wrap(new byte[] {5});
        if (BaseRecords.class.isAssignableFrom(type)) return MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[] {5}));
        if (Message.class.isAssignableFrom(type)) return type.getDeclaredConstructor().newInstance();
        boolean isList = type == List.class;
        ParameterizedType generic = (ParameterizedType) (isList ? field.getGenericType() : type.getGenericSuperclass());
        Class<?> elementType = (Class<?>) generic.getActualTypeArguments()[0];
        if (isList) return List.of(element(elementType));
        Object list = type.getDeclaredConstructor().newInstance();
        Collection.class.getMethod("add", Object.class).invoke(list, element(elementType));
        return list;
    }

    private static Object element(Class<?> type) throws ReflectiveOperationException {
        if (type == Byte.class) return (byte) 5;
        if (type == Short.class) return (short) 5;
        if (type == Integer.class) return 5;
        if (type == Long.class) return 5L;
        if (type == String.class) return "a";
        if (type == Uuid.class) return new Uuid(5, 5);
        return type.getDeclaredConstructor().newInstance();
    }

    private static void writeMessage(
        ApiMessageType type, String direction, short version, int variant, Message message, Schema schema
    ) throws Exception {
        if (variant > 0) {
            // The same values in each version as far as they go: this is what makes the file small.
            Random random = new Random((type.apiKey() * 2L + direction.length()) * 31 + variant);
            for (int i = 0; i < 8; i++) random.nextInt();
            Struct drawn = drawStruct(schema, random, 0);
            ByteBuffer buffer = ByteBuffer.allocate(schema.sizeOf(drawn));
            schema.write(buffer, drawn);
            buffer.flip();
            message.read(new ByteBufferAccessor(buffer), version);
            if (buffer.hasRemaining()) throw new IllegalStateException(type.name + " leaves bytes");
        }
        ObjectNode values = dump(message);
        String difference = difference("", kafkaJson(message, version), values);
        if (difference != null) throw new IllegalStateException(type.name + " v" + version + difference);
        ObjectNode line = JSON.objectNode().put("api", type.apiKey()).put("direction", direction);
        line.put("version", version).put("header", base64(header(type, direction, version)));
        line.put("bytes", base64(MessageUtil.toByteBufferAccessor(message, version).buffer()));
        line.set("values", values);
        OUT.println(line);
    }

    private static ByteBuffer header(ApiMessageType type, String direction, short version) {
        if (direction.equals("response")) {
            ResponseHeaderData header = new ResponseHeaderData().setCorrelationId(CORRELATION_ID);
            return MessageUtil.toByteBufferAccessor(header, type.responseHeaderVersion(version)).buffer();
        }
        RequestHeaderData header = new RequestHeaderData().setRequestApiKey(type.apiKey());
        header.setRequestApiVersion(version).setCorrelationId(CORRELATION_ID).setClientId("řeka");
        return MessageUtil.toByteBufferAccessor(header, type.requestHeaderVersion(version)).buffer();
    }

    private static String base64(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return Base64.getEncoder().encodeToString(bytes);
    }

    // Drawing by schema.

    private static Struct drawStruct(Schema schema, Random random, int depth) {
        Struct struct = new Struct(schema);
        for (BoundField field : schema.fields()) struct.set(field, draw(field.def.type, random, depth));
        return struct;
    }

    private static Object draw(Type type, Random random, int depth) {
        if (type instanceof Schema schema) {
            return type.isNullable() && random.nextInt(3) == 0 ? null : drawStruct(schema, random, depth + 1);
        }
        if (type instanceof TaggedFields tagged) return drawTagged(tagged, random, depth);
        boolean isNull = type.isNullable() && random.nextInt(4) == 0;
        if (isNull) return null;
        if (type.isArray()) {
            Object[] elements = new Object[depth > 1 ? random.nextInt(3) : 1 + random.nextInt(2)];
            for (int i = 0; i < elements.length; i++) elements[i] = draw(type.arrayElementType().get(), random, depth);
            return elements;
        }
        String name = type.toString();
        if (name.endsWith("RECORDS")) return MemoryRecords.readableRecords(ByteBuffer.wrap(drawBytes(random)));
        if (name.endsWith("BYTES")) return ByteBuffer.wrap(drawBytes(random));
        if (name.endsWith("STRING")) return drawString(random);
        switch (name) {
            case "BOOLEAN": return random.nextBoolean();
            case "INT8": return (byte) drawLong(random, Byte.MAX_VALUE);
            case "INT16": return (short) drawLong(random, Short.MAX_VALUE);
            case "UINT16": return (int) Math.abs(drawLong(random, 0xffff));
            case "INT32": return (int) drawLong(random, Integer.MAX_VALUE);
            case "UINT32": return Math.abs(drawLong(random, 0xffff_ffffL));
            case "INT64": return drawLong(random, SAFE_MAX);
            case "FLOAT64": return new double[] {0, -1.5, 0.1, 1e300, -0.0, Double.MIN_VALUE}[random.nextInt(6)];
            case "UUID": return random.nextInt(4) == 0 ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), 7);
            default: throw new IllegalStateException("no values for " + name);
        }
    }

    private static NavigableMap<Integer, Object> drawTagged(TaggedFields type, Random random, int depth) {
        NavigableMap<Integer, Object> values = new TreeMap<>();
        for (Map.Entry<Integer, org.apache.kafka.common.protocol.types.Field> entry : type.fields().entrySet()) {
            if (random.nextInt(4) > 0) values.put(entry.getKey(), draw(entry.getValue().type, random, depth));
        }
        return values;
    }

    private static long drawLong(Random random, long max) {
        switch (random.nextInt(8)) {
            case 0: return 0;
            case 1: return -1;
            case 2: return max;
            case 3: return max > Integer.MAX_VALUE ? -max : -max - 1;
            default: return random.nextInt((int) Math.min(max, 100_000)) + (max > 1L << 40 ? 1L << 34 : 0);
        }
    }

    private static String drawString(Random random) {
        String[] texts = {"", "a", "topic-" + random.nextInt(10), "řeka Vltava", "😀", "x".repeat(126 + random.nextInt(3))};
        return texts[random.nextInt(texts.length)];
    }

    private static byte[] drawBytes(Random random) {
        byte[] bytes = new byte[random.nextInt(8)];
        random.nextBytes(bytes);
        return bytes;
    }

    // Values as JSON.

    private static List<Field> fields(Object struct) {
        List<Field> fields = new ArrayList<>();
        for (Field field : struct.getClass().getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers()) || field.isSynthetic()) continue;
            if (List.of("_unknownTaggedFields", "next", "prev").contains(field.getName())) continue;
            field.setAccessible(true);
            fields.add(field);
        }
        return fields;
    }

    private static ObjectNode dump(Object struct) throws ReflectiveOperationException {
        ObjectNode node = JSON.objectNode();
        for (Field field : fields(struct)) node.set(field.getName(), dumpValue(field.get(struct), false));
        return node;
    }

    /** `isAlone`: a struct stands for its defaults, and bytes are told from text. */
    private static JsonNode dumpValue(Object value, boolean isAlone) throws ReflectiveOperationException {
        if (value == null) return NullNode.instance;
        if (value instanceof Boolean bool) return JSON.booleanNode(bool);
        if (value instanceof Double number) return JSON.numberNode(number);
        if (value instanceof Number number) return JSON.numberNode(number.longValue());
        if (value instanceof String || value instanceof Uuid) return JSON.textNode(value.toString());
        if (value instanceof MemoryRecords records) return dumpValue(records.buffer(), isAlone);
        if (value instanceof byte[] bytes) return dumpValue(ByteBuffer.wrap(bytes), isAlone);
        if (value instanceof ByteBuffer buffer) {
            JsonNode text = JSON.textNode(base64(buffer));
            return isAlone ? JSON.objectNode().set("base64", text) : text;
        }
        if (value instanceof Message) return isAlone ? JSON.objectNode() : dump(value);
        ArrayNode elements = JSON.arrayNode();
        for (Object element : (Collection<?>) value) elements.add(dumpValue(element, isAlone));
        return elements;
    }

    private static JsonNode kafkaJson(Message message, short version) throws ReflectiveOperationException {
        Class<?> type = message.getClass();
        Class<?> converter = Class.forName(type.getName() + "JsonConverter");
        return (JsonNode) converter.getMethod("write", type, short.class).invoke(null, message, version);
    }

    /** What Kafka's converter says otherwise, or null. It leaves out absent fields, and records are always empty. */
    private static String difference(String path, JsonNode kafka, JsonNode ours) {
        if (kafka.isObject()) {
            List<String> names = new ArrayList<>();
            kafka.fieldNames().forEachRemaining(names::add);
            for (String name : names) {
                if (name.equals("records")) continue;
                if (!ours.has(name)) return path + "." + name + " is missing";
                String difference = difference(path + "." + name, kafka.get(name), ours.get(name));
                if (difference != null) return difference;
            }
            return null;
        }
        if (kafka.isArray()) {
            if (kafka.size() != ours.size()) return path + " differs in length";
            for (int i = 0; i < kafka.size(); i++) {
                String difference = difference(path + "[" + i + "]", kafka.get(i), ours.get(i));
                if (difference != null) return difference;
            }
            return null;
        }
        return kafka.asText().equals(ours.asText()) ? null : path + " is " + kafka + ", not " + ours;
    }
}
