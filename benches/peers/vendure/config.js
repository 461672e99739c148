// Vendure with the plugins that its own template has for jobs and search. Only what it does not start without is set.
const { DefaultJobQueuePlugin, DefaultLogger, DefaultSchedulerPlugin, DefaultSearchPlugin, LogLevel, dummyPaymentHandler } =
  require("@vendure/core");

exports.config = {
  apiOptions: { port: Number(process.env.PORT), adminApiPath: "admin-api", shopApiPath: "shop-api" },
  authOptions: {
    tokenMethod: ["bearer", "cookie"],
    superadminCredentials: { identifier: "race", password: process.env.RACE_PASSWORD },
    cookieOptions: { secret: "of-the-race" },
  },
  dbConnectionOptions: {
    type: "postgres",
    host: "127.0.0.1",
    port: Number(process.env.PGPORT),
    username: process.env.PGUSER,
    database: process.env.PGDATABASE,
    synchronize: process.env.RACE_SYNCHRONIZE === "1",
  },
  paymentOptions: { paymentMethodHandlers: [dummyPaymentHandler] },
  logger: new DefaultLogger({ level: LogLevel.Warn }),
  plugins: [
    DefaultSchedulerPlugin.init(),
    DefaultJobQueuePlugin.init({ useDatabaseForBuffer: true }),
    DefaultSearchPlugin.init({ bufferUpdates: false, indexStockStatus: true }),
  ],
};
