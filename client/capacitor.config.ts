import type { CapacitorConfig } from "@capacitor/cli";

const config: CapacitorConfig = {
  appId: "org.sallyport.app",
  appName: "Sallyport",
  webDir: "dist/native",
  // Nothing is written to the native logs, in release builds or others.
  loggingBehavior: "none",
  plugins: {
    // The WebView shrinks, so that the keyboard covers no field.
    Keyboard: { resize: "native" },
  },
};

export default config;
