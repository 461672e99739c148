// A country, a tax, a way of sending, a way of paying, and SKUs with units. The ids that a buyer needs go to catalogue.json.
const { writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { LanguageCode, TransactionalConnection, bootstrap } = require("@vendure/core");
const { populate } = require("@vendure/core/cli");
const { config } = require("./config");

const initial = {
  defaultLanguage: LanguageCode.en,
  defaultZone: "Americas",
  countries: [{ name: "United States", code: "US", zone: "Americas" }],
  taxRates: [{ name: "Standard", percentage: 0 }],
  shippingMethods: [{ name: "Standard", price: 500 }],
  paymentMethods: [
    { name: "dummy", handler: { code: dummyCode(), arguments: [{ name: "automaticSettle", value: "false" }] } },
  ],
  collections: [],
};

function dummyCode() {
  return config.paymentOptions.paymentMethodHandlers[0].code;
}

function products() {
  const columns = {
    name: (sku) => sku,
    slug: (sku) => sku.toLowerCase(),
    description: () => "",
    assets: () => "",
    facets: () => "",
    optionGroups: () => "",
    optionValues: () => "",
    sku: (sku) => sku,
    price: () => "10.00",
    taxCategory: () => "Standard",
    stockOnHand: () => process.env.RACE_UNITS,
    trackInventory: () => "true",
    variantAssets: () => "",
    variantFacets: () => "",
  };
  const row = (sku) => Object.values(columns).map((value) => value(sku)).join(",");
  return [Object.keys(columns).join(","), ...process.env.RACE_SKUS.split(" ").map(row)].join("\n") + "\n";
}

async function seed() {
  const file = join(__dirname, "products.csv");
  writeFileSync(file, products());
  const app = await populate(() => bootstrap(config), initial, file);
  const database = app.get(TransactionalConnection).rawConnection;
  const variants = await database.query("SELECT id, sku FROM product_variant");
  const [shipping] = await database.query("SELECT id FROM shipping_method");
  const catalogue = {
    shipping: String(shipping.id),
    variants: Object.fromEntries(variants.map(({ id, sku }) => [sku, String(id)])),
  };
  writeFileSync(process.env.RACE_CATALOGUE, JSON.stringify(catalogue));
  await app.close();
  process.exit(0);
}

seed().catch((error) => {
  console.error(error);
  process.exit(1);
});
