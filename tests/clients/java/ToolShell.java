import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the mains of Apache Kafka's command line tools in one JVM, one after another, because
 * starting a JVM for each costs seconds.
 *
 * <pre>
 *   stdin:  class SP base64(standard input) { SP base64(argument) } LF
 *   stdout: exit status SP base64(standard output) SP base64(standard error) LF
 * </pre>
 */
public final class ToolShell {
    /** A tool has called for the end of its process. */
    private static final class Ended extends Error {
        Ended(int status) {
            super("exit " + status, null, false, false);
        }
    }

    /** Tools and libraries keep the stream that they found first; so that one stays, and its target changes. */
    private static final class Capture extends OutputStream {
        private ByteArrayOutputStream taken = new ByteArrayOutputStream();

        @Override
        public synchronized void write(int b) {
            taken.write(b);
        }

        @Override
        public synchronized void write(byte[] bytes, int from, int count) {
            taken.write(bytes, from, count);
        }

        synchronized byte[] take() {
            byte[] all = taken.toByteArray();
            taken = new ByteArrayOutputStream();
            return all;
        }
    }

    private static final List<Runnable> HOOKS = new ArrayList<>();
    private static Integer status;

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        BufferedReader requests =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        Capture out = new Capture();
        Capture err = new Capture();
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        Exit.setExitProcedure((code, message) -> end(code, message));
        Exit.setHaltProcedure((code, message) -> end(code, message));
        Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));

        Base64.Encoder encoder = Base64.getEncoder();
        for (String line; (line = requests.readLine()) != null; ) {
            int code = run(line.split(" ", -1));
            answers.println(code + " " + encoder.encodeToString(out.take()) + " "
                + encoder.encodeToString(err.take()));
            answers.flush();
        }
    }

    private static void end(int code, String message) {
        // Some tools catch everything and end a second time; the first status is what they meant.
        if (status == null) {
            status = code;
            if (message != null) {
                System.err.println(message);
            }
        }
        throw new Ended(code);
    }

    private static int run(String[] parts) {
        HOOKS.clear();
        status = null;
        System.setIn(new ByteArrayInputStream(Base64.getDecoder().decode(parts[1])));
        String[] arguments = Arrays.stream(parts).skip(2)
            .map(part -> new String(Base64.getDecoder().decode(part), StandardCharsets.UTF_8))
            .toArray(String[]::new);
        try {
            Class.forName(parts[0]).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException thrown) {
            failed(thrown.getCause());
        } catch (ReflectiveOperationException | LinkageError error) {
            failed(error);
        }
        // What a real process does on its way out: closing clients, printing last lines.
        HOOKS.addAll(jvmHooks());
        for (Runnable hook : HOOKS) {
            try {
                hook.run();
            } catch (Ended ended) {
                // Its status is already known.
            } catch (RuntimeException | Error error) {
                failed(error);
            }
        }
        return status == null ? 0 : status;
    }

    /** Takes the hooks that a tool has given to the JVM itself, so that they run now and only now. */
    @SuppressWarnings("unchecked")
    private static List<Thread> jvmHooks() {
        try {
            Field field = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
            field.setAccessible(true); // by --add-opens java.base/java.lang=ALL-UNNAMED
            List<Thread> hooks = new ArrayList<>(((Map<Thread, Thread>) field.get(null)).keySet());
            hooks.forEach(Runtime.getRuntime()::removeShutdownHook);
            return hooks;
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException("this JDK keeps its shutdown hooks elsewhere", error);
        }
    }

    private static void failed(Throwable cause) {
        if (!(cause instanceof Ended)) {
            StringWriter trace = new StringWriter();
            cause.printStackTrace(new PrintWriter(trace));
            System.err.println(trace);
            status = status == null ? 1 : status;
        }
    }
}
