import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.ConfigKey;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.storage.internals.log.LogConfig;

/** The settings of topics that a broker knows, held against Apache Kafka's own list of them. */
public final class TopicSettings {
    /** Its default may differ: a laptop has less to spare for a segment. */
    private static final Set<String> OWN_DEFAULT = Set.of("segment.bytes");

    private TopicSettings() {}

    /** Takes the address of a broker and the name of a topic that is not there yet. */
    public static void main(String[] arguments) throws Exception {
        String name = arguments[1];
        Map<String, String> defaults = new HashMap<>();
        for (String setting : LogConfig.nonInternalConfigNames()) {
            defaults.put(setting, defaultOf(LogConfig.configKeys().get(setting)));
        }
        List<String> faults = new ArrayList<>();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", arguments[0]))) {
            NewTopic plain = new NewTopic(name, 1, (short) 1);
            NewTopic set = new NewTopic(name + "-set", 1, (short) 1).configs(defaults);
            admin.createTopics(List.of(plain, set)).all().get();
            compare(described(admin, plain.name()), defaults, false, faults);
            compare(described(admin, set.name()), defaults, true, faults);
        }
        if (!faults.isEmpty()) {
            throw new AssertionError(String.join("\n", faults));
        }
    }

    private static String defaultOf(ConfigKey key) {
        return ConfigDef.convertToString(key.defaultValue, key.type);
    }

    private static Config described(Admin admin, String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return admin.describeConfigs(List.of(resource)).all().get().get(resource);
    }

    private static void compare(
            Config found, Map<String, String> defaults, boolean isSet, List<String> faults) {
        defaults.forEach((name, wanted) -> {
            ConfigEntry entry = found.get(name);
            if (entry == null) {
                faults.add(name + " is not shown");
                return;
            }
            if (!entry.value().equals(wanted) && (isSet || !OWN_DEFAULT.contains(name))) {
                faults.add(name + " is " + entry.value() + ", not " + wanted);
            }
            String type = LogConfig.configType(name).orElseThrow().name();
            if (!entry.type().name().equals(type)) {
                faults.add(name + " is a " + entry.type() + ", not a " + type);
            }
            boolean isOwn = entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG;
            if (isOwn != isSet) {
                faults.add(name + " comes from " + entry.source());
            }
        });
    }
}
