// Medusa with its default modules. Only what it does not start without is set.
import { defineConfig } from "@medusajs/framework/utils"

const origin = `http://127.0.0.1:${process.env.PORT}`

module.exports = defineConfig({
  projectConfig: {
    databaseUrl: process.env.DATABASE_URL,
    databaseDriverOptions: { connection: { ssl: false } },
    http: {
      storeCors: origin,
      adminCors: origin,
      authCors: origin,
      jwtSecret: "of-the-race",
      cookieSecret: "of-the-race",
    },
  },
  admin: { disable: true },
})
