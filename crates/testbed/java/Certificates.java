import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/**
 * Creates the certificates of one cluster in the current directory with the JDK's keytool.
 *
 * <pre>
 *   ca.p12 ──signs──► server.p12                              for the brokers
 *      │   ──signs──► client.p12 ──► client.pem, client.key   for clients
 *      └──► ca.pem                                            for both
 *
 *   with the argument "doors", certificates that must be rejected:
 *   ca.p12 ──signs──► past.p12        expired; for broker and client, past.pem, past.key
 *          ──signs──► other-host.p12  issued for another host name
 *   other-ca.p12 ──signs──► stranger.p12 ──► stranger.pem, stranger.key
 *      └──► other-ca.pem
 * </pre>
 *
 * Everything runs in one JVM: keytool is a Java program, and a dozen JVM starts take seconds.
 */
public final class Certificates {
    private static final String CA = "ca";
    private static final String OTHER_CA = "other-ca";
    private static final String DAYS = "3650";
    private static final String BOTH = "serverAuth,clientAuth";
    private static final String HERE = "san=ip:127.0.0.1,dns:localhost";
    /** The file with the password of every key store; it exists before this program starts. */
    private static final String PASSWORD = "store.password";

    public static void main(String[] arguments) throws Exception {
        authority(CA);
        signed(CA, "server", BOTH, "-ext", HERE);
        signed(CA, "client", "clientAuth");
        unpack("client");
        if (List.of(arguments).contains("doors")) {
            // keytool uses the last of two -validity options.
            signed(CA, "past", BOTH, "-ext", HERE, "-startdate", "-10d", "-validity", "1");
            unpack("past");
            signed(CA, "other-host", BOTH, "-ext", "san=dns:kafka.example");
            authority(OTHER_CA);
            signed(OTHER_CA, "stranger", "clientAuth");
            unpack("stranger");
        }
    }

    private static void authority(String name) throws Exception {
        in(name, "-genkeypair", "-alias", name, "-dname", "CN=erboh testbed " + name, "-keyalg", "EC",
            "-groupname", "secp256r1", "-validity", DAYS, "-ext", "bc:c=ca:true", "-ext", "ku:c=keyCertSign,cRLSign");
        in(name, "-exportcert", "-rfc", "-alias", name, "-file", name + ".pem");
    }

    /** A key pair whose certificate is signed by {@code by}, with the whole chain in its store. */
    private static void signed(String by, String name, String usage, String... more) throws Exception {
        in(name, "-genkeypair", "-alias", name, "-dname", "CN=" + name, "-keyalg", "EC", "-groupname", "secp256r1");
        in(name, "-certreq", "-alias", name, "-file", name + ".csr");
        List<String> sign = new ArrayList<>(List.of("-gencert", "-rfc", "-alias", by, "-validity", DAYS,
            "-infile", name + ".csr", "-outfile", name + ".crt", "-ext", "eku=" + usage));
        sign.addAll(List.of(more));
        in(by, sign.toArray(String[]::new));
        in(name, "-importcert", "-noprompt", "-alias", by, "-file", by + ".pem");
        in(name, "-importcert", "-noprompt", "-alias", name, "-file", name + ".crt");
    }

    /** Runs keytool on a key store. On failure keytool exits this JVM with an error. */
    private static void in(String store, String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("-keystore", store + ".p12", "-storetype", "PKCS12", "-storepass:file", PASSWORD));
        sun.security.tools.keytool.Main.main(all.toArray(String[]::new));
    }

    /** Writes key and certificates as PEM, the format of non-Java clients. */
    private static void unpack(String name) throws Exception {
        char[] password = Files.readString(Path.of(PASSWORD)).strip().toCharArray();
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream bytes = new FileInputStream(name + ".p12")) {
            store.load(bytes, password);
        }
        Files.writeString(Path.of(name + ".key"), pem("PRIVATE KEY", store.getKey(name, password).getEncoded()));
        StringBuilder chain = new StringBuilder();
        for (var certificate : store.getCertificateChain(name)) {
            chain.append(pem("CERTIFICATE", certificate.getEncoded()));
        }
        Files.writeString(Path.of(name + ".pem"), chain);
    }

    private static String pem(String what, byte[] content) {
        Base64.Encoder lines = Base64.getMimeEncoder(64, "\n".getBytes(StandardCharsets.US_ASCII));
        return "-----BEGIN " + what + "-----\n" + lines.encodeToString(content) + "\n-----END " + what + "-----\n";
    }
}
